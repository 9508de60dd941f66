<?php // examples/roundtrip.php [unix:///path/redis.sock | HOST] [PORT]    needs: phpredis
$redis = new Redis();
$where = $argv[1] ?? '127.0.0.1';
str_starts_with($where, 'unix://') ? $redis->connect(substr($where, 7)) : $redis->connect($where, (int) ($argv[2] ?? 6379));
$results = '{refunds}:results';
$no = sprintf('R%.0f', microtime(true) * 1e6); // in real life a number that your shop has stored
$redis->xGroup('CREATE', $results, 'shop-php', '0', true); // false where the group is there already
$redis->xAdd('{refunds}:requests', '*', ['request' => json_encode([
    'v' => 1, 'refund_no' => $no, 'account' => 'shop-ca', 'amount_cents' => 1250, 'currency' => 'CAD',
    'order' => ['gateway_order_no' => "P-$no", 'paid_cents' => 5000]])]);
$seen = []; // event ids; in real life a unique column of your own database
for ($after = '0', $end = time() + 60; time() < $end; ) {
    $entries = $redis->xReadGroup('shop-php', 'one', [$results => $after], 100, 1000)[$results] ?? [];
    $after = $entries ? $after : '>';
    foreach ($entries as $id => $entry) {
        $new = !isset($seen[$entry['event_id']]);
        $seen[$entry['event_id']] = true; // store it together with the effect of the result ...
        $redis->xAck($results, 'shop-php', [$id]); // ... and only then acknowledge
        if ($new && $entry['refund_no'] === $no) {
            echo $entry['result'], "\n";
            exit($entry['outcome'] === 'succeeded' ? 0 : 1);
        }
    }
}
exit(1);
