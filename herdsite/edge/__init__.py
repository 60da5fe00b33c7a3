"""What stands between the network and the pages: who may send how much, and how long anybody may take about it."""
