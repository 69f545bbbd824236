// Cosines to probabilities of a match, by the curve in the bundle's manifest.

const EDGE = 2 ** -24; // half of float32's step at 1, so that no log is of 0

const logit = (probability) => Math.log(probability) - Math.log1p(-probability);

function sigmoid(logit_) {
  const odds = Math.exp(-Math.abs(logit_));
  return (logit_ < 0 ? odds : 1) / (1 + odds);
}

function interpolate(x, knots, values) {
  const after = knots.findIndex((knot) => x < knot);
  if (after === -1) return values.at(-1);
  if (after === 0) return values[0];
  const share = (x - knots[after - 1]) / (knots[after] - knots[after - 1]);
  return values[after - 1] + share * (values[after] - values[after - 1]);
}

const CURVES = {
  platt: (curve, cosine) => curve.scale * cosine + curve.bias,
  beta(curve, cosine) {
    const inside = Math.min(1 - EDGE, Math.max(EDGE - 1, cosine));
    const rising = Math.log1p(inside) - Math.LN2;
    const falling = Math.LN2 - Math.log1p(-inside);
    return curve.rising * rising + curve.falling * falling + curve.bias;
  },
  isotonic: (curve, cosine) => logit(interpolate(cosine, curve.cosines, curve.probabilities)),
};

/** Return the probability of a match; `prior` is the share of matches expected in the data. */
export function probability({ curve, prior: fitted }, cosine, prior) {
  return sigmoid(CURVES[curve.kind](curve, cosine) + logit(prior) - logit(fitted));
}
