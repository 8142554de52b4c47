"""What the program shares with the machine it runs on: files, images, tables, clocks, processes that train together."""
