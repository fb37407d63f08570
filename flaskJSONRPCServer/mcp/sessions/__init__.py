"""The sessions of revision 2025-11-25, whichever way their messages come."""
