"""What the program shares with the machine it runs on: files, tables, clocks, processes that train together."""
