"""Models of people: those who report an outage, and those who have read the news."""
