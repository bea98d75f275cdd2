"""Where rows come from: files, a Delta table, a database. Opened by name, read batch by batch."""
