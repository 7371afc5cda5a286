"""Program text: which packages it imports, how much of it is mathematics, and notebooks as text."""
