"""Sources: each reads one kind of input into the raw schema, or says in one sentence why it cannot."""
