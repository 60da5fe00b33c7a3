from herdsite.databases import AskingCommand


class Command(AskingCommand):
    help = "Take a base backup of a database into its archive, besides the regular ones. A logical one: dump NAME."
    verb = "backup"
