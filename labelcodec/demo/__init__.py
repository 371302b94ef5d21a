"""The main job on embedded data: real labels there and back, and a student from drawn images."""
