"""Results as JSON documents, as lines of text and as pictures; nothing here prints."""
