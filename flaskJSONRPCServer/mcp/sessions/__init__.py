"""The sessions of revision 2025-11-25, independent of the transport."""
