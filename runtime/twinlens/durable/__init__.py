"""Files that survive a kill and a loss of power: whole or not there, one writer at a time."""
