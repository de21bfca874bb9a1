"""Installs, starts, watches and ends the servers and processes of a cluster on one machine; standard library only.

errors.py     what a person can do something about
ports.py      which port is whose
site.py       a cluster's folder: its ports, its secrets, what is written for others to read
program.py    what a process needs: command, ports, when it is ready
process.py    one process, by its pid file: start, kill, stop
install.py    jars from Maven Central, packages from Debian
remoting.py   asks a RocketMQ name server for its brokers
http2.py      whether a gRPC server answers
mariadb.py, zookeeper.py, rocketmq.py, services.py   the programs
table.py      all programs and the order in which they start
cluster.py    all of them together
cli.py        the command
"""
