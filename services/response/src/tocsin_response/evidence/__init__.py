"""Evidence: bytes that never change, and a ledger of everything that is done with them."""
