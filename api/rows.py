"""Inserts many rows of one table.

Django's `bulk_create` asks each value whether it is an expression, which takes longer than the database takes for the row.
"""

from django.db import connection, models

# Values of these go into a query as they are.
_PLAIN = (
    *(models.CharField, models.TextField, models.BooleanField, models.IntegerField),
    models.ForeignKey,
)
# Where the database does not say how many values one statement may have.
_VALUES_LIMIT = 10_000


def insert_rows(rows):
    """Inserts new rows of one model and sets their keys. Values must have the types of their columns.

    To be called in a transaction: many rows take more than one statement.
    """
    rows = list(rows)
    if not rows:
        return
    fields = [field for field in rows[0]._meta.concrete_fields if not field.primary_key]
    limit = (connection.features.max_query_params or _VALUES_LIMIT) // len(fields)
    for start in range(0, len(rows), limit):
        _insert(rows[start : start + limit], fields)


def _insert(rows, fields):
    columns = [_read_column(field, rows) for field in fields]
    values = [value for row in zip(*columns, strict=True) for value in row]
    with connection.cursor() as cursor:
        cursor.execute(_make_statement(rows[0]._meta, fields, len(rows)), values)
        for row, (key,) in zip(rows, cursor.fetchall(), strict=True):
            row.pk = key
            row._state.adding = False


def _make_statement(meta, fields, count):
    quote = connection.ops.quote_name
    columns = ", ".join(quote(field.column) for field in fields)
    places = ", ".join([f"({', '.join(['%s'] * len(fields))})"] * count)
    table, key = quote(meta.db_table), quote(meta.pk.column)
    # Nothing in it but the model's names and places for values.
    return f"INSERT INTO {table} ({columns}) VALUES {places} RETURNING {key}"  # noqa: S608


def _read_column(field, rows):
    values = [field.pre_save(row, add=True) for row in rows]
    if isinstance(field, _PLAIN):
        return values
    if isinstance(field, models.DateTimeField):
        return list(map(connection.ops.adapt_datetimefield_value, values))
    return [field.get_db_prep_save(value, connection) for value in values]
