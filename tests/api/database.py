"""The database that the tests run on: SQLite, or the one that TESTS_DATABASE_URL names."""

from django.db import connection


def database_url():
    """Its address, for processes of their own."""
    config = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{config['NAME']}"
    return "postgresql://{USER}:{PASSWORD}@{HOST}:{PORT}/{NAME}".format_map(config)


def explain(sql):
    """The steps in which a query is answered."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
            return [row[3] for row in cursor.fetchall()]
        prefer_indexes(cursor)
        cursor.execute(f"EXPLAIN {sql}")
        return [step.strip(" ->") for [step] in cursor.fetchall()]


def prefer_indexes(cursor):
    """Of a table as small as those of tests, PostgreSQL reads every row and sorts them, if it may."""
    for way in ("seqscan", "sort", "incremental_sort"):
        cursor.execute(f"SET LOCAL enable_{way} = off")
