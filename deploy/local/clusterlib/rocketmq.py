"""RocketMQ 5: a name server, and a broker with its gRPC proxy in one process."""

import json
from functools import partial
from pathlib import Path

from .http2 import greets
from .install import jars, program
from .program import Program
from .remoting import brokers
from .site import Site

COMMON = ("-XX:+UseSerialGC", "-Xshare:auto", "-XX:-UsePerfData")
NAME_SERVER = (
    "-Xms32m",
    "-Xmx64m",
    "-XX:MaxDirectMemorySize=32m",
    # It has little to do: the optimizing compiler would take longer than it saves.
    "-XX:TieredStopAtLevel=1",
)
BROKER = (
    "-Xms512m",
    "-Xmx512m",
    # 128 MiB are too few for batches of 1 to 4 MiB.
    "-XX:MaxDirectMemorySize=512m",
    "--add-opens=java.base/java.nio=ALL-UNNAMED",
    "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED",
    "--add-opens=java.base/java.lang=ALL-UNNAMED",
    "--add-exports=java.base/jdk.internal.ref=ALL-UNNAMED",
)
NAME_SERVER_SETTINGS = """\
listenPort={port}
bindAddress=127.0.0.1
rocketmqHome={folder}
kvConfigPath={folder}/kvConfig.json
configStorePath={folder}/namesrv.properties
"""
BROKER_SETTINGS = """\
brokerClusterName=DefaultCluster
brokerName={name}
brokerId=0
brokerRole=ASYNC_MASTER
flushDiskType={flush}_FLUSH
brokerIP1=127.0.0.1
bindAddress=127.0.0.1
listenPort={port}
haListenPort={replicas}
namesrvAddr={name_server}
storePathRootDir={folder}/store
storePathCommitLog={folder}/store/commitlog
mappedFileSizeCommitLog=67108864
mappedFileSizeConsumeQueue=1200000
maxMessageSize=4194304
autoCreateTopicEnable=false
autoCreateSubscriptionGroup=true
fileReservedTime=24
diskMaxUsedSpaceRatio=95
# Milliseconds until a name server that was started again knows this broker.
registerNameServerPeriod=10000
# Milliseconds: once a second by default, which keeps an idle broker busy.
timerFlushIntervalMs=10000
"""
LOGBACK = """\
<configuration>
  <appender name="FILE" class="ch.qos.logback.core.rolling.RollingFileAppender">
    <file>{file}</file>
    <rollingPolicy class="ch.qos.logback.core.rolling.FixedWindowRollingPolicy">
      <fileNamePattern>{file}.%i</fileNamePattern><minIndex>1</minIndex><maxIndex>2</maxIndex>
    </rollingPolicy>
    <triggeringPolicy class="ch.qos.logback.core.rolling.SizeBasedTriggeringPolicy">
      <maxFileSize>10MB</maxFileSize>
    </triggeringPolicy>
    <encoder><pattern>%d %p %t %logger{{20}} - %m%n</pattern></encoder>
  </appender>
  <root level="WARN"><appender-ref ref="FILE"/></root>
</configuration>
"""


def name_server(site: Site) -> Program:
    """Knows the brokers."""
    folder, port = site.folder / "name-server", site.ports["name-server"]
    main = ["org.apache.rocketmq.namesrv.NamesrvStartup", "-c", f"{folder}/server.conf"]
    return Program(
        "name-server",
        stage=0,
        command=partial(_java, site, folder, NAME_SERVER, main),
        ports=[port],
        missing=partial(_name_server_missing, port),
        prepare=lambda: _prepare(folder, "server.conf", NAME_SERVER_SETTINGS.format(port=port, folder=folder)),
        environment={"ROCKETMQ_HOME": str(folder)},
    )


def broker(site: Site, name: str = "broker-a") -> Program:
    """Keeps the messages, and serves them through its proxy; its name is its own at the site's name server."""
    folder, port = site.folder / "broker", site.ports["broker"]
    files = ["-bc", f"{folder}/server.conf", "-pc", f"{folder}/proxy.json"]
    main = ["org.apache.rocketmq.proxy.ProxyStartup", "-pm", "local", "-n", site.address("name-server"), *files]
    return Program(
        "broker",
        stage=1,
        command=partial(_java, site, folder, BROKER, main),
        ports=[port, port - 2, port + 1, site.ports["proxy"], site.ports["proxy-remoting"]],
        missing=partial(_broker_missing, site),
        prepare=partial(_prepare_broker, site, folder, name),
        environment={"ROCKETMQ_HOME": str(folder)},
        stop_seconds=60.0,
    )


def _java(site: Site, folder: Path, options: tuple[str, ...], main: list[str]) -> list[str]:
    # In the system's own folder its native libraries and keys would stay after each kill -9.
    own = [f"-Duser.home={folder}", f"-Djava.io.tmpdir={folder / 'tmp'}"]
    classes = f"{folder}/conf:{jars('rocketmq', site.installed)}/*"
    return [program("java", site.installed), *options, *COMMON, *own, "-cp", classes, *main]


def _prepare(folder: Path, file: str, settings: str) -> None:
    for part in ("conf", "tmp", "log"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for left in (folder / "tmp").iterdir():
        if left.is_file():
            left.unlink()
    (folder / file).write_text(settings)
    for name in ("broker", "proxy", "namesrv"):
        (folder / "conf" / f"rmq.{name}.logback.xml").write_text(LOGBACK.format(file=folder / "log" / f"{name}.log"))


def _prepare_broker(site: Site, folder: Path, name: str) -> None:
    port = site.ports["broker"]
    settings = BROKER_SETTINGS.format(
        name=name,
        flush=site.flush,
        port=port,
        replicas=port + 1,
        name_server=site.address("name-server"),
        folder=folder,
    )
    _prepare(folder, "server.conf", settings)
    proxy = {
        "rocketMQClusterName": "DefaultCluster",
        "namesrvAddr": site.address("name-server"),
        "grpcServerPort": site.ports["proxy"],
        "remotingListenPort": site.ports["proxy-remoting"],
        "localServeAddr": "127.0.0.1",
        # Off by default: then it asks the broker about each acknowledgement by itself.
        "enableBatchAck": True,
    }
    (folder / "proxy.json").write_text(json.dumps(proxy, indent=2) + "\n")


def _name_server_missing(port: int) -> str | None:
    try:
        brokers(port)
    except OSError as error:
        return f"it does not answer: {error}"
    return None


def _broker_missing(site: Site) -> str | None:
    try:
        if site.address("broker") not in brokers(site.ports["name-server"]):
            return "the name server does not know it"
    except OSError as error:
        return f"the name server does not answer: {error}"
    # A name server remembers a dead broker for two minutes; the proxy answers when the broker in it has started.
    return None if greets(site.ports["proxy"]) else "its proxy does not answer"
