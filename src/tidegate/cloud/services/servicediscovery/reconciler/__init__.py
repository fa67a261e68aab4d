"""Does what Cloud Map's operations ask for, and keeps the records of its zones."""
