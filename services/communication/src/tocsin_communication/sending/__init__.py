"""How pages leave: places, limits, accounts, receipts, failures, the switch."""
