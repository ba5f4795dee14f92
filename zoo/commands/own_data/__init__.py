"""The verb `data`: what lies at a path, as a table and a sheet of examples, and the same in this project's form."""
