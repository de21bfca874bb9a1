package interop;

import org.apache.dubbo.config.ProtocolConfig;
import org.apache.dubbo.config.ServiceConfig;
import org.example.DubboUserServiceTriple;
import org.example.HelloReply;
import org.example.HelloRequest;
import org.example.UserService;

/** Answers UserService, and is found through the registry: Provider REGISTRY. */
public final class Provider {
    static final long SLOW = 2000;

    private Provider() {}

    public static void main(String[] args) throws Exception {
        var service = new ServiceConfig<UserService>();
        service.setInterface(UserService.class);
        service.setRef(new Users());
        var protocol = new ProtocolConfig("tri", -1);
        protocol.setHost("127.0.0.1");
        Dubbo.bootstrap("provider", args[0]).protocol(protocol).service(service).start();
        Lines.answer(words -> String.join(" ", words));
    }

    private static final class Users extends DubboUserServiceTriple.UserServiceImplBase {
        @Override
        public HelloReply sayHello(HelloRequest request) {
            if (request.getName().equals("bug")) {
                throw new IllegalStateException("a bug in Java");
            }
            return HelloReply.newBuilder().setMessage("Hello, " + request.getName() + ", from Java").build();
        }

        @Override
        public HelloReply sayHelloSlowly(HelloRequest request) {
            try {
                Thread.sleep(SLOW);
            } catch (InterruptedException error) {
                throw new IllegalStateException(error);
            }
            return sayHello(request);
        }
    }
}
