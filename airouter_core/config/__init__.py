"""What can be set: fields, files, folders, and where keys are looked up."""
