"""What the commands do, one module each. They return data; `venvship.cli` renders it."""
