"""What runs only in killable processes of its own: everything that touches hostile bytes or a driver."""
