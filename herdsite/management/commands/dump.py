from herdsite.databases import AskingCommand


class Command(AskingCommand):
    help = (
        "Take a logical backup of a database (pg_dump), besides those that are taken of it every day. `backups NAME` "
        "lists them."
    )
    verb = "dump"
