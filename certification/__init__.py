"""The simulation study behind `make certify`: worlds whose truth is known, through the SQL and Python of users."""
