"""A scripted SQL Server: it speaks TDS 7.4 to real ODBC drivers, answers as told, remembers what was asked.

It runs no T-SQL. A script says what a statement gets; the record says what happened to it:

    script = Script()
    script.on(r"SELECT name FROM customer", Rows([Column("name", NVARCHAR(40))], [("Ada",)]))
    script.on(r"UPDATE customer", Count(1))
    script.on(r"UPDATE customer", Failure(1205, "deadlock victim", rolls_back=True), times=1)  # at first
    script.at(Moment.COMMIT, Effect(), Close(), times=1)  # committed, and the reply is never sent
    with Server(script) as server:
        connection = pyodbc.connect(server.connection_string(driver), autocommit=False)
        ...
        assert [statement.sql for statement in server.record.durable] == [...]

Steps are taken in the order in which they stand: what stands before the effect of a statement happens to one
that has not run, what stands behind it to one that has. `Hold` waits until the test releases it, `Close` ends
the connection, `Flush` sends what there is. A rule may also be a function from the statement to steps.

A statement that no rule fits fails, and fails the test as the server ends. The server lives in the test's own
process: calls for which pyodbc keeps the interpreter's lock (SQLDescribeParam, which FreeTDS has not) hang.

The modules in a message's order: `wire` bytes, `protocol` packets, `channel` one socket, `login` PRELOGIN and
LOGIN7, `datatypes` and `payloads` values, `request` what clients ask, `script` what they get, `player`,
`reply` and `tokens` how that is written, `transactions` what stays, `session` one connection, `server` all of
them, `record` what was asked, `catalog` tables for catalogue functions. Formats after Microsoft's MS-TDS.
"""
