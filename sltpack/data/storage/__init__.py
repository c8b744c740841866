"""Where data sets lie: folders, downloads, archives, pickles."""
