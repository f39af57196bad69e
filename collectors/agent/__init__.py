"""The agent: the loop that samples a host, what it keeps between runs, what it tells a scraper."""
