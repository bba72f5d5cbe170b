"""What both APIs share: views, bodies, fields, problem objects, and their documentation."""
