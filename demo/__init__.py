"""A pipeline of real, harmless work that reports itself to a site, so that its pages have something to show."""
