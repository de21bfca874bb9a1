-- Each service has a schema of its own, which `makegood migrate` creates.
GRANT ALL PRIVILEGES ON `makegood\_%`.* TO 'makegood'@'%';
