"""How clients are told to connect to a database: the one place where connection strings are made. Pure.

The plain URL asks for encryption and not for proof: proof needs the herd's CA in a file on the client's side, and a URL
that names a file that is not there connects to nothing. Beside it stands the same for the drivers that are common, with
proof, for whoever has that file.
"""

from collections.abc import Mapping
from urllib.parse import quote, urlencode

from fleet.transports.base import VERIFIED, Database

# What clients are advised to call the file that /ca.pem gives.
FILE = "herdsite-ca.pem"


def url(database: Database) -> str:
    """postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=require, as libpq and those who follow it read it."""
    return f"postgres://{_login(database)}@{_place(database)}?sslmode=require"


def node(database: Database) -> str:
    """The same in the words of node-postgres, on which knex, Sequelize, TypeORM and Prisma's adapter are built.

    It takes `require` for verify-full, and without the herd's CA refuses every server. `no-verify` is what `require`
    means to libpq, in every version of it; `uselibpqcompat=true` says so only from 8.13 on. libpq knows neither, so
    this can't be the URL for all. With the CA at hand, that of `strings` is better: it proves the server. postgres.js
    reads the plain URL as libpq does, and takes a CA in its options only.
    """
    return f"postgres://{_login(database)}@{_place(database)}?sslmode=no-verify"


def strings(database: Database, file: str = FILE) -> dict[str, str]:
    """For each kind of client a connection string by which the server has to prove who it is; `file` is where that
    client keeps the herd's CA."""
    checked = urlencode({"sslmode": VERIFIED, "sslrootcert": file}, safe="/")
    login = f"{_login(database)}@{_place(database)}"
    asked = urlencode({"user": database.user, "password": database.password}, quote_via=quote)
    return {
        "libpq": f"postgres://{login}?{checked}",
        "node": f"postgres://{login}?{checked}",
        "sqlalchemy": f"postgresql+psycopg://{login}?{checked}",
        "jdbc": f"jdbc:postgresql://{_place(database)}?{asked}&{checked}",
        "dotnet": _semicolons(
            {
                "Host": database.address,
                "Port": str(database.port),
                "Database": database.dbname,
                "Username": database.user,
                "Password": database.password,
                "SSL Mode": "VerifyFull",
                "Root Certificate": file,
            }
        ),
    }


def _login(database: Database) -> str:
    return f"{quote(database.user, safe='')}:{quote(database.password, safe='')}"


def _place(database: Database) -> str:
    """An IPv6 address in brackets, or its colons would be taken for the port's."""
    host = f"[{database.address}]" if ":" in database.address else database.address
    return f"{host}:{database.port}/{quote(database.dbname, safe='')}"


def _semicolons(words: Mapping[str, str]) -> str:
    """As ADO.NET reads them: a value in quotes, in which a quote is doubled, may hold anything."""
    plain = {
        key: value if value.replace(".", "").replace("-", "").isalnum() else _quoted(value)
        for key, value in words.items()
    }
    return ";".join(f"{key}={value}" for key, value in plain.items())


def _quoted(value: str) -> str:
    return '"' + value.replace('"', '""') + '"'
