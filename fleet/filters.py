"""Where in the database the words are by which people look for things: what the portal's lists and the API's share."""

# Each kind's zone is where it is. What has no place yet has none.
ZONES = {"server": "zone", "instance": "server__zone", "resource": "instance__server__zone"}
# In which texts a search looks.
SEARCHED = {"server": ("name",), "instance": ("name",), "resource": ("name", "customer__name", "dbname")}
