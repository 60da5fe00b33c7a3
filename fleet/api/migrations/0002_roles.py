"""The roles of fleet/roles.py as groups. What Django would make of the models' permissions at the end of all
migrations is made here where it is not there yet; the names are the same, so that it then finds them."""

from django.db import migrations

from fleet.roles import CUSTOMER, ROLES, SCOPES


def make(apps, _schema_editor):
    Group = apps.get_model("auth", "Group")
    Permission = apps.get_model("auth", "Permission")
    ContentType = apps.get_model("contenttypes", "ContentType")
    for role, scopes in ROLES.items():
        group, _made = Group.objects.get_or_create(name=role)
        # What customers may do is theirs only within a token that is bound to them.
        wanted = [] if role == CUSTOMER else [name for scope in scopes for name in SCOPES[scope].permissions]
        for name in wanted:
            app, codename = name.split(".")
            action, model = codename.split("_", 1)
            of, _made = ContentType.objects.get_or_create(app_label=app, model=model)
            permission, _made = Permission.objects.get_or_create(
                content_type=of, codename=codename, defaults={"name": f"Can {action} {model}"}
            )
            group.permissions.add(permission)


class Migration(migrations.Migration):
    dependencies = [
        ("api", "0001_initial"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [migrations.RunPython(make, migrations.RunPython.noop)]
