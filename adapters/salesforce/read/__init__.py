"""Records as they are: by id, by value, all of an object, and what was touched since some time."""
