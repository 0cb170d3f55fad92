"""What commands share: parsing of options, options in files, pages of help, schemas."""
