print("clarion")
