export default { title: "Leitstand", welcome: "Angemeldet als {{name}}" };
