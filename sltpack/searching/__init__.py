"""The search for a ticket, and weight training beside it: settings, methods, the runner and its folder."""
