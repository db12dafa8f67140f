"""How fast the IDoc format reads and writes, beside a bare slicing loop and lxml; and in how much memory."""
