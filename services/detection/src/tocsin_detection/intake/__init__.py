"""The formats that monitoring systems speak: one module each, behind one interface. Vendor words stop here."""
