"""What commands share, and what is no command: options and tables, the schema of recipes, warnings, types in words."""
