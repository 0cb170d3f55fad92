"""Published motion collections, one module per dataset."""
