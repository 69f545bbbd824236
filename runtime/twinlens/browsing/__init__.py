"""The page over a folder of pictures: its index kept fresh, its routes, and the page itself."""
