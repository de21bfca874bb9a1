package interop;

import org.apache.dubbo.config.ApplicationConfig;
import org.apache.dubbo.config.ReferenceConfig;
import org.apache.dubbo.config.RegistryConfig;
import org.apache.dubbo.config.bootstrap.DubboBootstrap;
import org.apache.dubbo.rpc.RpcException;
import org.apache.dubbo.rpc.StatusRpcException;

/** What consumer and provider have in common: a registry, and nothing else that listens or is written. */
final class Dubbo {
    static final int TIMEOUT = 5000;

    private Dubbo() {}

    static DubboBootstrap bootstrap(String name, String registry) {
        var application = new ApplicationConfig(name);
        application.setQosEnable(false);
        var where = new RegistryConfig(registry);
        where.setUseAsConfigCenter(false);
        where.setUseAsMetadataCenter(false);
        return DubboBootstrap.getInstance().application(application).registry(where);
    }

    /** A stub; `retries` is how often a call that failed is tried on another provider. */
    static <T> ReferenceConfig<T> reference(Class<T> type, int retries) {
        var reference = new ReferenceConfig<T>();
        reference.setInterface(type);
        reference.setProtocol("tri");
        reference.setCheck(false);
        reference.setTimeout(TIMEOUT);
        reference.setRetries(retries);
        return reference;
    }

    /** gRPC's name of what went wrong, or Dubbo's number of it. */
    static String status(Throwable error) {
        for (Throwable cause = error; cause != null; cause = cause.getCause()) {
            if (cause instanceof StatusRpcException answered) {
                return answered.getStatus().code.name();
            }
        }
        return error instanceof RpcException lost ? "code-" + lost.getCode() : "none";
    }
}
