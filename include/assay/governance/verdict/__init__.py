"""One verdict as a page: what it says in plain words, what did not pass, and every number as a picture and a table."""
