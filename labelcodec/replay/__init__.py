"""Labels on their way into training: torch lives here."""
