// Streamlit calls this at every run of the page with fresh data; the player itself stays.

const players = new WeakMap();

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".player");
  let player = players.get(root);
  if (!player) {
    player = new Player(root, setTriggerValue);
    players.set(root, player);
  }
  player.send = setTriggerValue;
  player.show(data);
  return () =>
    setTimeout(() => {
      if (root.isConnected) return;
      player.close();
      players.delete(root);
    });
}
