"""The centre: stores what devices tell, streams it to people, takes their orders."""
