package interop;

import makegood.DeductStock;
import makegood.FindGoods;
import makegood.Line;
import makegood.LoadGood;
import makegood.LoadGoods;
import makegood.Stock;
import org.apache.dubbo.rpc.RpcContext;
import org.example.HelloReply;
import org.example.HelloRequest;
import org.example.UserService;

/** Calls services that it finds through the registry: Consumer REGISTRY. */
public final class Consumer {
    private final UserService users;
    private final UserService usersOnce;
    private final Stock stock;

    private Consumer(UserService users, UserService usersOnce, Stock stock) {
        this.users = users;
        this.usersOnce = usersOnce;
        this.stock = stock;
    }

    public static void main(String[] args) throws Exception {
        var users = Dubbo.reference(UserService.class, 2);
        var usersOnce = Dubbo.reference(UserService.class, 0);
        var stock = Dubbo.reference(Stock.class, 2);
        Dubbo.bootstrap("consumer", args[0]).reference(users).reference(usersOnce).reference(stock).start();
        Lines.answer(new Consumer(users.get(), usersOnce.get(), stock.get())::answer);
    }

    private String answer(String[] words) {
        return switch (words[0]) {
            case "hello" -> users.sayHello(named(words)).getMessage();
            case "hello-once" -> usersOnce.sayHello(named(words)).getMessage();
            case "hello-within" -> slowly(Integer.parseInt(words[2]), named(words));
            case "load" -> load(words[1], Long.parseLong(words[2]), Long.parseLong(words[3]));
            case "deduct" -> deduct(words);
            case "stock" -> find(words[1]);
            default -> throw new IllegalArgumentException(words[0]);
        };
    }

    private static HelloRequest named(String[] words) {
        return HelloRequest.newBuilder().setName(words.length > 1 ? words[1] : "").build();
    }

    private String slowly(int milliseconds, HelloRequest request) {
        RpcContext.getClientAttachment().setObjectAttachment("timeout", milliseconds);
        HelloReply reply = usersOnce.sayHelloSlowly(request);
        return reply.getMessage() + " " + reply.getRemaining();
    }

    private String load(String sku, long price, long amount) {
        var good = LoadGood.newBuilder().setSku(sku).setTitle(sku).setPrice(price).setStock(amount);
        return "loaded:" + stock.load(LoadGoods.newBuilder().addGoods(good).setApply(true).build());
    }

    private String deduct(String[] words) {
        var line = Line.newBuilder().setSku(words[2]).setQuantity(Long.parseLong(words[3]));
        line.setUnitPrice(Long.parseLong(words[4]));
        var request = DeductStock.newBuilder().setOrderId(Long.parseLong(words[1])).setUser("java").addLines(line);
        request.setDeadline(System.currentTimeMillis() + Dubbo.TIMEOUT);
        return "refusal:" + stock.deduct(request.build()).getRefusal();
    }

    private String find(String sku) {
        return "stock:" + stock.find(FindGoods.newBuilder().addSkus(sku).build()).getGoods(0).getStock();
    }
}
